-- Hourly counts of the docks. An hour without a trip has no row.
SELECT
  station_id AS station,
  direction,
  hour,
  trips,
  electric,
  minutes
FROM hourly_count
WHERE hour >= :window_start AND hour < :window_end
