-- The generated rows of the window, as they are: the source's own work is small, so what is measured is the way out.
SELECT
  sku,
  sold_at,
  invoice,
  delivery,
  customer,
  country,
  kind,
  quantity,
  price,
  amount,
  cancels,
  free
FROM sales_line
WHERE sold_at >= :window_start AND sold_at < :window_end
