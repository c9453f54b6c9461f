//go:build !race

package hub_test

// sparse is 1: the tests send all requests of the authorisation tables. A race build sends only every third request.
const sparse = 1
