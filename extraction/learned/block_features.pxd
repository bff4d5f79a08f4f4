# The types with which block_features.py is compiled. It reads and runs the same without them.
cimport cython

from gristmill.extraction.learned.text_scan cimport is_kind, count_characters
from gristmill.extraction.learned.html_blocks cimport Page

cdef unsigned char[::1] _LOG
cdef int _SMALL, _YES, _DIGIT, _COMMA, _MARK, _DIVIDER, _IDEOGRAPH, _SIGN, _BREAK, _P, _MAX_TAGS
cdef int COLON, LONG, STOP, UPPER

cpdef Py_ssize_t log_step(Py_ssize_t value) except -1
cpdef Py_ssize_t ratio_32(Py_ssize_t part, Py_ssize_t whole) except -1

cpdef tuple compute_features(Page page, list leads)

@cython.locals(
    n=cython.Py_ssize_t, m=cython.Py_ssize_t, block=cython.Py_ssize_t, element=cython.Py_ssize_t
)
cdef void _set_block_ranges(Page page, Py_ssize_t[::1] first, Py_ssize_t[::1] last) except *

@cython.locals(text=str, block=cython.Py_ssize_t, length=cython.Py_ssize_t, linked=cython.Py_ssize_t)
cdef void _running_sums(Page page, Py_ssize_t[:, ::1] sums) except *

@cython.locals(
    text=str, block=cython.Py_ssize_t, length=cython.Py_ssize_t, count=cython.int, known=cython.int, title=set,
    counts=cython.int[::1]
)
cdef void _text_features(Page page, list leads, float[:, ::1] numbers, Py_ssize_t[::1] words) except *

@cython.locals(
    n=cython.Py_ssize_t, block=cython.Py_ssize_t, length=cython.Py_ssize_t, linked=cython.Py_ssize_t,
    prose=cython.Py_ssize_t, longs=cython.Py_ssize_t
)
cdef void _position_features(Page page, Py_ssize_t[:, ::1] sums, float[:, ::1] numbers, int column) except *

@cython.locals(
    n=cython.Py_ssize_t, block=cython.Py_ssize_t, element=cython.Py_ssize_t, level=cython.int, at=cython.int,
    begin=cython.Py_ssize_t, end=cython.Py_ssize_t, length=cython.Py_ssize_t, longs=cython.Py_ssize_t
)
cdef void _element_features(
    Page page, list siblings, Py_ssize_t[:, ::1] sums, Py_ssize_t[::1] first, Py_ssize_t[::1] last,
    float[:, ::1] numbers, int column, Py_ssize_t[:, ::1] tags, Py_ssize_t[:, ::1] ancestors
) except *

@cython.locals(families=list)
cdef list _sibling_counts(Page page)
