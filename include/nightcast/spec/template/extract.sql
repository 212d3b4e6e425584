-- One SELECT, with :window_start (included) and :window_end (not included).  CHANGE
SELECT
  item,
  happened_at,
  quantity
FROM event
WHERE happened_at >= :window_start AND happened_at < :window_end
