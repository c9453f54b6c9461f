// Package oracle compares the output of package ld with the output of github.com/piprate/json-gold 0.9.1.
//
// The package is a separate module, so that only this test needs json-gold. Run go test ./... in this folder.
package oracle
