"""One adapter a proxy: a pure text half and an I/O half, behind one contract."""
