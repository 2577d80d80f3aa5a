-- The shop at the start: 18 customers, 15 products, 54 orders. Money is in whole euros.

CREATE TABLE customers (
  id      INTEGER PRIMARY KEY,
  name    TEXT NOT NULL UNIQUE,
  address TEXT NOT NULL
);

CREATE TABLE products (
  name  TEXT PRIMARY KEY,
  price INTEGER NOT NULL CHECK (price > 0),
  stock INTEGER NOT NULL CHECK (stock >= 0)
);

CREATE TABLE orders (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  customer INTEGER NOT NULL REFERENCES customers (id),
  product  TEXT NOT NULL REFERENCES products (name),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  status   TEXT NOT NULL CHECK (status IN ('open', 'shipped', 'cancelled')),
  address  TEXT NOT NULL
);

PRAGMA foreign_keys = ON;

-- Customers 1 to 12, their orders and the first 10 products are those of training tasks;
-- test tasks speak of the others.
INSERT INTO customers (id, name, address) VALUES
  (1, 'kestrel', 'oakgate'),
  (2, 'mallow', 'millford'),
  (3, 'finch', 'northgate'),
  (4, 'juniper', 'hillside'),
  (5, 'barley', 'fairview'),
  (6, 'otter', 'kingsway'),
  (7, 'clover', 'brookside'),
  (8, 'heron', 'eastfield'),
  (9, 'bramble', 'oakgate'),
  (10, 'magpie', 'millford'),
  (11, 'sorrel', 'northgate'),
  (12, 'lapwing', 'hillside'),
  (13, 'thistle', 'stonebridge'),
  (14, 'badger', 'riverside'),
  (15, 'willow', 'westwood'),
  (16, 'plover', 'parkview'),
  (17, 'tansy', 'stonebridge'),
  (18, 'curlew', 'riverside');

INSERT INTO products (name, price, stock) VALUES
  ('lamp', 29, 40),
  ('kettle', 35, 25),
  ('mirror', 48, 12),
  ('basket', 14, 60),
  ('candle', 6, 90),
  ('carpet', 85, 8),
  ('hammer', 17, 33),
  ('pillow', 21, 45),
  ('ladder', 64, 9),
  ('bottle', 9, 80),
  ('jacket', 72, 15),
  ('drum', 95, 6),
  ('mug', 8, 70),
  ('clock', 38, 18),
  ('chair', 55, 20);

INSERT INTO orders (id, customer, product, quantity, status, address) VALUES
  (101, 1, 'lamp', 1, 'open', 'oakgate'),
  (102, 2, 'pillow', 1, 'shipped', 'millford'),
  (103, 3, 'candle', 5, 'open', 'northgate'),
  (104, 4, 'kettle', 5, 'open', 'hillside'),
  (105, 5, 'ladder', 1, 'cancelled', 'fairview'),
  (106, 6, 'hammer', 1, 'open', 'kingsway'),
  (107, 7, 'basket', 2, 'open', 'brookside'),
  (108, 8, 'lamp', 3, 'shipped', 'eastfield'),
  (109, 9, 'pillow', 5, 'open', 'oakgate'),
  (110, 10, 'candle', 1, 'open', 'millford'),
  (111, 11, 'mirror', 3, 'cancelled', 'northgate'),
  (112, 12, 'bottle', 1, 'open', 'hillside'),
  (113, 1, 'carpet', 3, 'shipped', 'oakgate'),
  (114, 2, 'mirror', 1, 'open', 'millford'),
  (115, 3, 'bottle', 4, 'open', 'northgate'),
  (116, 4, 'hammer', 3, 'cancelled', 'hillside'),
  (117, 5, 'basket', 1, 'open', 'fairview'),
  (118, 6, 'kettle', 5, 'open', 'kingsway'),
  (119, 7, 'ladder', 5, 'shipped', 'brookside'),
  (120, 8, 'carpet', 4, 'open', 'eastfield'),
  (121, 9, 'mirror', 4, 'open', 'oakgate'),
  (122, 10, 'bottle', 4, 'cancelled', 'millford'),
  (123, 11, 'pillow', 5, 'open', 'northgate'),
  (124, 12, 'candle', 5, 'open', 'hillside'),
  (125, 1, 'lamp', 1, 'open', 'oakgate'),
  (126, 2, 'pillow', 3, 'open', 'millford'),
  (127, 3, 'candle', 4, 'cancelled', 'northgate'),
  (128, 4, 'kettle', 1, 'open', 'hillside'),
  (129, 5, 'ladder', 3, 'open', 'fairview'),
  (130, 6, 'hammer', 1, 'shipped', 'kingsway'),
  (131, 7, 'basket', 3, 'open', 'brookside'),
  (132, 8, 'lamp', 1, 'open', 'eastfield'),
  (133, 9, 'pillow', 5, 'cancelled', 'oakgate'),
  (134, 10, 'candle', 3, 'open', 'millford'),
  (135, 11, 'mirror', 2, 'open', 'northgate'),
  (136, 12, 'bottle', 1, 'shipped', 'hillside'),
  (137, 13, 'chair', 1, 'open', 'stonebridge'),
  (138, 14, 'mug', 5, 'shipped', 'riverside'),
  (139, 15, 'jacket', 5, 'open', 'westwood'),
  (140, 16, 'clock', 1, 'open', 'parkview'),
  (141, 17, 'mug', 1, 'cancelled', 'stonebridge'),
  (142, 18, 'jacket', 2, 'open', 'riverside'),
  (143, 13, 'drum', 3, 'shipped', 'stonebridge'),
  (144, 14, 'chair', 5, 'open', 'riverside'),
  (145, 15, 'mug', 1, 'open', 'westwood'),
  (146, 16, 'jacket', 3, 'cancelled', 'parkview'),
  (147, 17, 'chair', 1, 'open', 'stonebridge'),
  (148, 18, 'mug', 3, 'open', 'riverside'),
  (149, 13, 'clock', 1, 'open', 'stonebridge'),
  (150, 14, 'drum', 4, 'open', 'riverside'),
  (151, 15, 'chair', 3, 'cancelled', 'westwood'),
  (152, 16, 'mug', 1, 'open', 'parkview'),
  (153, 17, 'drum', 5, 'open', 'stonebridge'),
  (154, 18, 'chair', 5, 'shipped', 'riverside');
