package ld

import "fmt"

// Fault is the reason why a document is rejected, or why it cannot be checked. The code of a Fault is one of
// openbadge.Codes.
type Fault struct{ Code, Detail string }

// Error returns the code and the detail.
func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Faultf returns a Fault with a detail for operators.
func Faultf(code, format string, a ...any) error { return &Fault{code, fmt.Sprintf(format, a...)} }
