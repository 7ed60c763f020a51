// Package tools holds the programs that run in pods of every real node.
package tools
