-- The demo's source database, as a shop's own system would hold it. Run by demo/source.py in one transaction.

DROP VIEW IF EXISTS sales_line;
DROP TABLE IF EXISTS raw_line, trading_calendar, replay;

CREATE TABLE raw_line (
  line        integer      NOT NULL,
  delivery    smallint     NOT NULL CHECK (delivery > 0),
  invoice     text         NOT NULL,
  stock_code  text         NOT NULL,
  description text,
  quantity    integer      NOT NULL,
  sold_at     timestamp(0) NOT NULL,
  price       numeric(12, 3) NOT NULL,
  customer_id integer,
  country     text         NOT NULL
);
COMMENT ON TABLE raw_line IS
  'Invoice lines of UCI Online Retail II (D. Chen, doi:10.24432/C5CG6D, CC BY 4.0) with their dates moved by replay.shift_days; otherwise as published.';
COMMENT ON COLUMN raw_line.line        IS 'Position in the published file, from 1.';
COMMENT ON COLUMN raw_line.delivery    IS 'Which of the file''s sheets the line came in; the days in both sheets are there twice.';
COMMENT ON COLUMN raw_line.invoice     IS 'Invoice number; a leading C marks a cancellation, a leading A an adjustment.';
COMMENT ON COLUMN raw_line.stock_code  IS 'As typed: codes that differ by case or blanks are the same article.';
COMMENT ON COLUMN raw_line.description IS 'As typed; null where the file has nothing.';
COMMENT ON COLUMN raw_line.quantity    IS 'Pieces; negative on cancellations and stock corrections.';
COMMENT ON COLUMN raw_line.sold_at     IS 'Wall time in the shop (Europe/London), to the minute, moved by whole weeks.';
COMMENT ON COLUMN raw_line.price       IS 'Pounds sterling per piece.';
COMMENT ON COLUMN raw_line.customer_id IS 'Null for customers without an account.';
COMMENT ON COLUMN raw_line.country     IS 'Country of the customer, as typed.';

CREATE TABLE trading_calendar (
  day            date    PRIMARY KEY,
  open           boolean NOT NULL,
  note           text    CHECK (open OR note IS NOT NULL),
  day_of_year    integer NOT NULL CHECK (day_of_year BETWEEN 1 AND 366),
  day_of_month   integer NOT NULL CHECK (day_of_month BETWEEN 1 AND 31),
  days_to_24_dec integer NOT NULL CHECK (days_to_24_dec BETWEEN 0 AND 365)
);
COMMENT ON TABLE trading_calendar IS
  'Days on which the shop trades, kept ahead of time. Moved like raw_line; what the season is comes from the original date.';
COMMENT ON COLUMN trading_calendar.day            IS 'The day, moved by replay.shift_days.';
COMMENT ON COLUMN trading_calendar.open           IS 'Whether the shop trades.';
COMMENT ON COLUMN trading_calendar.note           IS 'Why the shop is closed, or what is special about an open day.';
COMMENT ON COLUMN trading_calendar.day_of_year    IS 'Of the original date, from 1.';
COMMENT ON COLUMN trading_calendar.day_of_month   IS 'Of the original date, from 1.';
COMMENT ON COLUMN trading_calendar.days_to_24_dec IS 'Days from the original date to the next 24 December, 0 on the day itself.';

CREATE TABLE replay (
  one          boolean PRIMARY KEY DEFAULT true CHECK (one),
  shift_days   integer NOT NULL CHECK (shift_days % 7 = 0),
  file_sha256  text    NOT NULL,
  lines        integer NOT NULL,
  now_override timestamp
);
COMMENT ON TABLE replay IS 'One row: which file was loaded, how far its dates were moved, and what time it is in the shop.';
COMMENT ON COLUMN replay.one          IS 'Always true: there is one row.';
COMMENT ON COLUMN replay.shift_days   IS 'Days added to every date; whole weeks, so that weekdays stay.';
COMMENT ON COLUMN replay.file_sha256  IS 'SHA-256 of the compressed file that was loaded.';
COMMENT ON COLUMN replay.lines        IS 'Lines in raw_line.';
COMMENT ON COLUMN replay.now_override IS 'The shop''s wall time instead of the clock''s; null outside of tests.';

CREATE VIEW sales_line AS
  SELECT line, delivery, invoice, stock_code, description, quantity, sold_at, price, customer_id, country
  FROM raw_line
  WHERE sold_at <= (SELECT coalesce(now_override, now() AT TIME ZONE 'Europe/London') FROM replay);
COMMENT ON VIEW sales_line IS 'The lines of raw_line that exist by now: what the shop''s system has written so far.';
COMMENT ON COLUMN sales_line.line        IS 'See raw_line.line.';
COMMENT ON COLUMN sales_line.delivery    IS 'See raw_line.delivery.';
COMMENT ON COLUMN sales_line.invoice     IS 'See raw_line.invoice.';
COMMENT ON COLUMN sales_line.stock_code  IS 'See raw_line.stock_code.';
COMMENT ON COLUMN sales_line.description IS 'See raw_line.description.';
COMMENT ON COLUMN sales_line.quantity    IS 'See raw_line.quantity.';
COMMENT ON COLUMN sales_line.sold_at     IS 'See raw_line.sold_at.';
COMMENT ON COLUMN sales_line.price       IS 'See raw_line.price.';
COMMENT ON COLUMN sales_line.customer_id IS 'See raw_line.customer_id.';
COMMENT ON COLUMN sales_line.country     IS 'See raw_line.country.';
