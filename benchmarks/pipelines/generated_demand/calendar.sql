-- Every day is open.
SELECT
  day::date AS day,
  true AS open,
  extract(DOY FROM day)::int AS day_of_year,
  extract(DAY FROM day)::int AS day_of_month,
  make_date(extract(YEAR FROM day)::int, 12, 31) - day::date AS days_to_year_end
FROM generate_series(:window_start::date, :window_end::date - 1, interval '1 day') AS d (day)
