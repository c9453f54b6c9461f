package file

import (
	"encoding/json"
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The schema must accept the shipped samples. The schema must refuse a key that the reader refuses.
func TestSamplesAreValidByTheSchema(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"testdata/policy.yaml", "testdata/every-key.yaml", "../../site-example/policy.yaml"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if faults := judgeBy(schema, schema, decode(t, b), ""); len(faults) > 0 {
			t.Errorf("%s: %q", path, faults)
		}
	}
	for _, swapped := range []string{swap(t, "cooldown: 3m", "cooldwon: 3m"), swap(
		t,
		"role: maintainer, needs",
		"role: boss, needs",
	), swap(t, "portillon: 1", "portillon: 2"),
		swap(t, "site: biklab\n", ""), swap(t, "max: 2h,", "max: long,"), swap(
			t,
			"interventions: 5",
			"interventions: five",
		)} {
		if faults := judgeBy(schema, schema, decode(t, []byte(swapped)), ""); len(faults) == 0 {
			t.Errorf("the schema accepts a key that the reader refuses")
		}
	}
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
