// Package python holds the part of Python that shows through simulated APIs whose originals
// are written in Python: exceptions and their texts, how arguments are bound, operators on
// values of any kind, text functions. A value is of the kinds that package value has.
//
// Contract: what CPython 3.11 answers, byte for byte. A function that Python would end with an
// exception raises one (Raise), and whoever runs a call catches it (Caught, Try). Work is
// bounded where Python's is not: a repetition that would make more than MaxRepeat items is
// an error.
//
// How it fails: a panic that is no exception is a bug.
package python
