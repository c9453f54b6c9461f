//go:build !race

package hub_test

// sparse is 1: the tests send all requests of the authorisation tables. The race build sends fewer.
const sparse = 1
