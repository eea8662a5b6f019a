// Package house keeps the rules of the tree, as tests: which package may import which, what an engine may not touch, and how
// a source file looks. ARCHITECTURE.md draws what they hold together.
package house
