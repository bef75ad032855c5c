"""Columns of the tables that the walks read, and places in what they write."""

# Of segments in float64: 2**s * Z, and Z where the segment ends; 2**s, radius, that of the longer
# one that begins here, links; then what `series` or `matrices` apply: two lines of the cache. The
# lower halves of the radii, which they do not need, are whole numbers: the length, and the longer
# segment. Of the links, the upper half is the row that follows, -1 at the end of the orbit, the
# lower half that which is tried where this one does not hold. Each single step has a row, too.
ZR, ZI, END, SCALE, RADIUS, WIDER, WHOLE, APPLIED, COLUMNS = 0, 1, 2, 4, 5, 6, 7, 8, 16
HALF = 32
# Of the links beside: the segment of the next stage that begins here, of the stage below, length,
# where it begins; and, of the finest stage, where single steps that begin here end.
UP, DOWN, LENGTH, BEGIN, RUN = range(5)
# Places in the array of counters.
STEPS, SEGMENTS, POINT = range(3)
# What stands in place of a segment, and of a count, when a point is done.
DONE, INSIDE = -1, -1
# An orbit that comes back so near, compared with its size, has been caught. Few points outside
# return so often that it pays to look; then it is enough to look now and then.
SAME, FIRST_LOOK, NEXT_LOOK = 1e-13, 64, 8
