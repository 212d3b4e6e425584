-- After the rows are in: cheaper than keeping indexes up to date meanwhile.

ALTER TABLE raw_line ADD PRIMARY KEY (line);
CREATE INDEX raw_line_sold_at ON raw_line (sold_at);
ANALYZE raw_line;
ANALYZE trading_calendar;
