// Package plan computes the ordered steps for one resource, as data that can be printed and compared. It reads nothing,
// writes nothing, counts nothing and asks no clock: the same inputs give the same steps. The engine executes them; a resync
// only asks whether there are any.
package plan
