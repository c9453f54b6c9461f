//go:build race

package hub_test

// sparse is 3, because the race detector makes each request several times slower. A race build sends a third of the
// requests that a line of the authorisation tables has for single acts, a different third for each line.
const sparse = 3
