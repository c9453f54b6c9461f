//go:build race

package hub_test

// sparse: the race detector makes each request several times as slow. Of what a table asks in many ways, a third is
// asked, another third in each line; a run without the detector asks all.
const sparse = 3
