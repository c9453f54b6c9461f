//go:build !race

package openbadge

const slack = 1
