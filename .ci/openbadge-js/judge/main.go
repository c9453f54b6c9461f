// Command judge verifies badges for .ci/openbadge-js/second.mjs: it reads one question per line, as a JSON object,
// and writes one verdict per line. A separate process for each question would take longer than all the rest of the
// check.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"portillon/openbadge"
)

// question is a document together with all data on which the verdict depends.
type question struct {
	Document  string             `json:"document"`  // the credential
	At        time.Time          `json:"at"`        // time of verification
	Trust     []openbadge.Issuer `json:"trust"`     // trusted issuers
	Documents web                `json:"documents"` // DID documents
	Status    web                `json:"status"`    // status lists
}

// web maps the address of each web document to the document.
type web map[string]string

// Resolve implements openbadge.Resolver.
func (w web) Resolve(url string) ([]byte, error) {
	if s, ok := w[url]; ok {
		return []byte(s), nil
	}
	return nil, errors.New("question contains no document for this address")
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 8<<20)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		o := openbadge.Options{Trust: q.Trust, At: q.At, Documents: q.Documents, Status: q.Status}
		if err := out.Encode(openbadge.Verify([]byte(q.Document), o)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
