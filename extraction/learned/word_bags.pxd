# The types with which word_bags.py is compiled. It reads and runs the same without them.
cimport cython

@cython.locals(
    at=cython.Py_ssize_t, place=cython.Py_ssize_t, begin=cython.Py_ssize_t, number=cython.Py_ssize_t
)
cpdef Py_ssize_t look_up_words(list bags, dict numbers, Py_ssize_t[::1] found, Py_ssize_t[::1] counts) except -1

@cython.locals(row=cython.Py_ssize_t, parent=cython.Py_ssize_t, column=cython.Py_ssize_t)
cpdef void add_parent_rows(int[:, ::1] rows, list parents) except *
