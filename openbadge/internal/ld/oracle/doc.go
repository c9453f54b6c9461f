// Package oracle compares the output of package ld with that of another processor: github.com/piprate/json-gold 0.9.1.
//
// It is a separate module, so that only this test needs json-gold. In its folder, go test ./... runs it.
package oracle
