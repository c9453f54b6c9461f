package wire

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tables contain the keys that Home Assistant documents for MQTT device discovery (pages «MQTT», «MQTT Sensor»,
// «MQTT Binary sensor», and schemas.py of the integration). They list, for each part, which keys it may have, in short
// or long form, and which keys it must have. Keys for commands and for personal data are left out, because Portillon
// must not use them.
var (
	documentedRoot = map[string]bool{
		"dev":                   true,
		"o":                     true,
		"cmps":                  true,
		"state_topic":           false,
		"qos":                   false,
		"encoding":              false,
		"availability":          false,
		"availability_mode":     false,
		"availability_topic":    false,
		"payload_available":     false,
		"payload_not_available": false,
	}
	documentedDevice = map[string]bool{
		"ids":        true,
		"name":       false,
		"mf":         false,
		"mdl":        false,
		"sw":         false,
		"hw":         false,
		"sn":         false,
		"sa":         false,
		"cu":         false,
		"via_device": false,
		"cns":        false,
	}
	documentedOrigin = map[string]bool{"name": true, "sw": false, "url": false}
	documentedPart   = map[string]map[string]bool{
		"sensor": {
			"p":                           true,
			"unique_id":                   true,
			"name":                        false,
			"value_template":              false,
			"device_class":                false,
			"unit_of_measurement":         false,
			"state_class":                 false,
			"options":                     false,
			"expire_after":                false,
			"suggested_display_precision": false,
			"icon":                        false,
			"entity_category":             false,
			"enabled_by_default":          false,
		},
		"binary_sensor": {
			"p":                  true,
			"unique_id":          true,
			"name":               false,
			"value_template":     false,
			"device_class":       false,
			"payload_on":         false,
			"payload_off":        false,
			"expire_after":       false,
			"off_delay":          false,
			"icon":               false,
			"entity_category":    false,
			"enabled_by_default": false,
		},
	}
	documentedClasses = map[string]map[string][]string{ // the units that each class allows
		"sensor":        {"": nil, "duration": {"d", "h", "min", "s", "ms"}, "timestamp": nil},
		"binary_sensor": {"": nil, "problem": nil, "running": nil},
	}
	documentedID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
)

func TestDiscoveryMatchesHomeAssistantsDocumentation(t *testing.T) {
	topic, payload := Topics{"biklab"}.Discovery("laser", "Découpe laser", "0.1")
	parts := strings.Split(topic, "/")
	if len(parts) != 4 || parts[0] != "homeassistant" || parts[1] != "device" || !documentedID.MatchString(parts[2]) ||
		parts[3] != "config" {
		t.Errorf("topic %s", topic)
	}
	if faults := checkDocumented(payload); len(faults) > 0 {
		t.Errorf("%s", strings.Join(faults, "\n"))
	}
	for _, want := range []string{"in_use", "tagged", "left", "hours", "due", "unacked", "unacked_since", "unacked_why",
		"screen"} {
		if !strings.Contains(string(payload), `"unique_id":"portillon_biklab_laser_`+want+`"`) {
			t.Errorf("there is no %s", want)
		}
	}
}

// The function that checks discovery documents must itself report each fault.
func TestDiscoveryCheckerReportsEachFault(t *testing.T) {
	_, good := Topics{"biklab"}.Discovery("laser", "Laser", "0.1")
	for what, change := range map[string][2]string{
		"no device":            {`"dev":`, `"device_": `},
		"a key of no platform": {`"device_class":"running"`, `"command_topic":"x"`},
		"a class of another":   {`"device_class":"running"`, `"device_class":"duration"`},
		"a unit of another":    {`"unit_of_measurement":"min"`, `"unit_of_measurement":"m"`},
		"a class, no unit":     {`"unit_of_measurement":"min"`, `"icon":"mdi:timer"`},
		"a field of no state":  {`value_json.phase`, `value_json.member`},
		"the same id twice":    {`laser_hours"`, `laser_left"`},
		"no platform":          {`"p":"binary_sensor"`, `"p":"lock"`},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) || len(checkDocumented([]byte(bad))) == 0 {
			t.Errorf("%s is let through", what)
		}
	}
}

// checkDocumented compares a discovery document with Home Assistant's documentation, and the document's templates with
// State.
func checkDocumented(payload []byte) (faults []string) {
	fault := func(s ...string) { faults = append(faults, strings.Join(s, " ")) }
	var doc struct {
		Dev  map[string]string            `json:"dev"`
		O    map[string]string            `json:"o"`
		Cmps map[string]map[string]string `json:"cmps"`
	}
	var root map[string]json.RawMessage
	if json.Unmarshal(payload, &root) != nil || json.Unmarshal(payload, &doc) != nil {
		return []string{"not the documented shape"}
	}
	only(fault, "root", documentedRoot, root)
	only(fault, "dev", documentedDevice, doc.Dev)
	only(fault, "o", documentedOrigin, doc.O)
	var seen []string
	for key, c := range doc.Cmps {
		keys, known := documentedPart[c["p"]]
		if !known || !documentedID.MatchString(key) {
			fault(key, "is of the platform", c["p"])
			continue
		}
		only(fault, key, keys, c)
		if slices.Contains(seen, c["unique_id"]) {
			fault(c["unique_id"], "is there twice")
		}
		seen = append(seen, c["unique_id"])
		units, known := documentedClasses[c["p"]][c["device_class"]]
		if !known || units != nil && !slices.Contains(units, c["unit_of_measurement"]) {
			fault(key, "is a", c["device_class"], "in", c["unit_of_measurement"])
		}
		if s := c["state_class"]; s != "" && s != "measurement" && s != "total" && s != "total_increasing" {
			fault(key, "has the state class", s)
		}
		for _, m := range regexp.MustCompile(`value_json\.(\w+)( \| default)?`).FindAllStringSubmatch(c["value_template"],
			-1) {
			if always, known := stateFields()[m[1]]; !known || !always && m[2] == "" {
				fault(key, "reads", m[1], "which a state has not, or not always")
			}
		}
	}
	return faults
}

func only[V any](fault func(...string), where string, may map[string]bool, is map[string]V) {
	for k := range is {
		if _, known := may[k]; !known {
			fault(where, "has a", k)
		}
	}
	for k, must := range may {
		if _, there := is[k]; must && !there {
			fault(where, "has no", k)
		}
	}
}

// stateFields returns the JSON names of State's fields, and says for each whether it is always present.
func stateFields() map[string]bool {
	out := map[string]bool{}
	t := reflect.TypeFor[State]()
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out[name] = options == ""
	}
	return out
}
