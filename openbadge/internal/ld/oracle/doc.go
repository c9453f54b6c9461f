// Package oracle compares what ld says of a document with what another processor says: github.com/piprate/json-gold
// 0.9.1.
//
// It is a module of its own, so that json-gold is needed by nobody but this test. From its folder: go test ./... runs
// it.
package oracle
