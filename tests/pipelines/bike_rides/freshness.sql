-- A day is whole when its last hour has been counted.
SELECT count(*) > 0 AS is_there FROM hourly_count
WHERE hour >= :window_start AND hour < :window_end AND extract(HOUR FROM hour) >= 20
