//go:build !race

package file

const slack = 1
