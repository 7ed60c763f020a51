// Package tools holds the programs of the stack that the suite runs on real nodes.
package tools
