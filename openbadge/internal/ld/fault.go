package ld

import "fmt"

// Fault is why a document cannot be judged, or is refused. Its code is one of openbadge.Codes.
type Fault struct{ Code, Detail string }

func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Faultf makes a Fault whose detail is for an operator.
func Faultf(code, format string, a ...any) error { return &Fault{code, fmt.Sprintf(format, a...)} }
