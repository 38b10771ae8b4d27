"""Any dataset as Arrow files that are mapped into memory and read at random."""
