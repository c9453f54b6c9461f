package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openapi []byte

// description returns openapi.yaml as JSON, with the program's version.
func description(version string) ([]byte, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(openapi, &doc); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	if info, ok := doc["info"].(map[string]any); ok && version != "" {
		info["version"] = version
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return b, nil
}

// getDescription returns the description of the API without authentication, because programs read the description
// before they sign in.
func (s *API) getDescription(*call) (answer, error) {
	return answer{mime: jsonType, stream: func(w io.Writer) error {
		_, err := w.Write(s.spec)
		return err
	}}, nil
}
