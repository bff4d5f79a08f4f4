# The types with which html_blocks.py is compiled. It reads and runs the same without them.
# cython: language_level=3
cimport cython

from gristmill.extraction.learned.html_attributes cimport resolve_references

cdef dict KINDS
cdef int NUMBER, HIDES, TEXT_ONLY, EMPTY, ENDS_P, SCOPE, LIST, TRANSPARENT, HEADING, ITEM, TERM, OPTION
cdef int CELL, ROW, ROWS, TABLE, LINK, BOLD, BREAKS, TITLE, META, BODY, IN_TABLE
cdef int _P, _PRE, _TABLE_NUMBER

@cython.locals(kind=cython.int)
cdef int _kind(str name) except -1

cdef class Page:
    cdef str html
    cdef Py_ssize_t size, hidden_from
    cdef object limits
    cdef public list texts, element, order, linked, bold
    cdef public list parents, depths, tags, ends, attributes, metas
    cdef public str title
    cdef list pieces
    cdef int[::1] open_kinds, open_elements, open_linked, open_bold, open_counts
    cdef Py_ssize_t height, current
    cdef bint is_linked, has_body, starts_block, preformatted
    cdef int bold_depth

    @cython.locals(html=str, size=cython.Py_ssize_t, at=cython.Py_ssize_t, opening=cython.Py_ssize_t, max_nodes=cython.Py_ssize_t, nodes=cython.Py_ssize_t, first=cython.Py_UCS4)
    cdef void _walk(self) except *
    cdef Py_ssize_t _after(self, str end, Py_ssize_t at) except -1
    @cython.locals(html=str)
    cdef Py_ssize_t _comment_end(self, Py_ssize_t at) except -1
    @cython.locals(html=str, character=cython.Py_UCS4)
    cdef Py_ssize_t _name_end(self, Py_ssize_t at) except -1
    @cython.locals(html=str, character=cython.Py_UCS4)
    cdef Py_ssize_t _tag_end(self, Py_ssize_t at) except -1
    @cython.locals(html=str, name_end=cython.Py_ssize_t, end=cython.Py_ssize_t, kind=cython.int)
    cdef Py_ssize_t _start_tag(self, Py_ssize_t at) except -1
    cdef void _line_break(self) except *
    cdef void _inline(self, int kind, Py_ssize_t name_end, Py_ssize_t end) except *
    @cython.locals(html=str, at=cython.Py_ssize_t, close=cython.Py_ssize_t, after=cython.Py_ssize_t)
    cdef Py_ssize_t _text_only(self, int kind, str name, Py_ssize_t name_end, Py_ssize_t end) except -1
    @cython.locals(height=cython.Py_ssize_t)
    cdef void _open(self, int kind, str attributes, bint closed) except *
    @cython.locals(html=str, name_end=cython.Py_ssize_t, kind=cython.int, number=cython.int)
    cdef Py_ssize_t _end_tag(self, Py_ssize_t at) except -1
    @cython.locals(place=cython.Py_ssize_t, number=cython.int, open_kind=cython.int)
    cdef void _close(self, int kind) except *
    @cython.locals(place=cython.Py_ssize_t, open_kind=cython.int)
    cdef void _end_p(self) except *
    @cython.locals(place=cython.Py_ssize_t, open_kind=cython.int)
    cdef void _end_item(self, int role) except *
    @cython.locals(place=cython.Py_ssize_t, open_kind=cython.int)
    cdef void _close_for_table_part(self, int kind) except *
    @cython.locals(kind=cython.int, element=cython.Py_ssize_t)
    cdef void _pop_to(self, Py_ssize_t height) except *
    @cython.locals(html=str, piece=str, length=cython.Py_ssize_t)
    cdef void _text(self, Py_ssize_t start, Py_ssize_t end) except *
    @cython.locals(text=str, column=list)
    cdef void _finish_block(self) except *
