"""From estimates to pages: results as data, tables, figures and sentences, and the formats that draw them."""
