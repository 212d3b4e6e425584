-- When the shop trades. The seasonal columns belong to the original date, also where the demo moved it.
SELECT day, open, day_of_year, day_of_month, days_to_24_dec
FROM trading_calendar
WHERE day >= :window_start AND day < :window_end
