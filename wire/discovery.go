package wire

import (
	"encoding/json"
	"fmt"

	"portillon/policy"
)

// Discovery returns the topic and the payload by which Home Assistant finds a machine (MQTT device discovery, 2024.11
// and later). The payload describes these entities: the state, availability, tag-out, the remaining time of a session,
// running hours, due maintenance, records that the hub does not acknowledge, and a screen that sends no reports. The
// payload names no person, and offers no command. If a field is missing in a State, Home Assistant shows it as unknown:
// the template then gives None.
func (t Topics) Discovery(m policy.MachineID, name, version string) (topic string, payload []byte) {
	id := fmt.Sprintf("portillon_%s_%s", t.Site, m)
	doc := map[string]any{
		"dev": map[string]string{
			"ids":  id,
			"name": name,
			"mf":   "Portillon",
			"mdl":  "portillond",
			"sw":   version,
		},
		"o":                  map[string]string{"name": "portillond", "sw": version},
		"state_topic":        t.State(m),
		"qos":                1,
		"availability_topic": t.Availability(m),
		"cmps":               components(id),
	}
	payload, err := json.Marshal(doc)
	if err != nil {
		return "", nil // this error cannot happen, because maps of strings can always be encoded
	}
	return "homeassistant/device/" + id + "/config", payload
}

// component is one entity of Home Assistant, made from one field of State.
type component struct {
	key, name  string
	value      string // Jinja template that reads the value from the JSON of State
	binary     bool   // true for a binary_sensor, whose value is ON or OFF; false for a sensor
	class      string // Home Assistant's device_class; may be empty
	unit       string // unit of a sensor's value (unit_of_measurement); may be empty
	stateClass string // state_class of a sensor of which Home Assistant keeps statistics; may be empty
}

// components returns the "cmps" object: the entities of one machine, by key.
func components(id string) map[string]map[string]string {
	list := []component{
		{key: "phase", name: "Phase", value: "{{ value_json.phase }}"},
		{key: "in_use", name: "In use", value: onOff("value_json.relay"), binary: true, class: "running"},
		{key: "tagged", name: "Tagged out", value: onOff("value_json.tagged"), binary: true, class: "problem"},
		{key: "left", name: "Time left", value: "{{ value_json.left_min | default('None') }}",
			class: "duration", unit: "min", stateClass: "measurement"},
		{key: "hours", name: "Running hours", value: "{{ value_json.hours | default(0) }}",
			class: "duration", unit: "h", stateClass: "total_increasing"},
		{key: "due", name: "Maintenance due", value: onOff("value_json.due | default('')"),
			binary: true, class: "problem"},
		{key: "upkeep", name: "Maintenance", value: "{{ value_json.due | default('None') }}"},
		{key: "records", name: "Records", value: "{{ value_json.journal }}", stateClass: "total_increasing"},
		{key: "unacked", name: "Records not acknowledged", value: onOff("value_json.unacked_since | default('')"),
			binary: true, class: "problem"},
		{key: "unacked_since", name: "Not acknowledged since",
			value: "{{ value_json.unacked_since | default('None') }}", class: "timestamp"},
		{key: "unacked_why", name: "Not acknowledged because",
			value: "{{ value_json.unacked_why | default('None') }}"},
		{key: "screen", name: "Screen silent", value: onOff("value_json.silent_screen | default('')"),
			binary: true, class: "problem"},
	}
	all := make(map[string]map[string]string, len(list))
	for _, c := range list {
		all[c.key] = c.config(id)
	}
	return all
}

// config returns the component in the format of Home Assistant, in which the key "p" stands for platform. config leaves
// out the settings that are empty.
func (c component) config(id string) map[string]string {
	out := map[string]string{
		"p":              "sensor",
		"unique_id":      id + "_" + c.key,
		"name":           c.name,
		"value_template": c.value,
	}
	if c.binary {
		out["p"] = "binary_sensor"
	}
	for key, value := range map[string]string{
		"device_class":        c.class,
		"unit_of_measurement": c.unit,
		"state_class":         c.stateClass,
	} {
		if value != "" {
			out[key] = value
		}
	}
	return out
}

// onOff returns the Jinja template of a binary sensor. The sensor is on while the expression is true or not empty.
func onOff(expression string) string { return "{{ 'ON' if " + expression + " else 'OFF' }}" }
