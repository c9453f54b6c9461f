package wire

import (
	"encoding/json"
	"fmt"

	"portillon/policy"
)

// Discovery is the topic and the payload by which Home Assistant finds a machine (MQTT device discovery, 2024.11 and
// later). It shows state, availability, tag-out, what is left of a session, running hours, maintenance that is due,
// records that the hub does not acknowledge, and a screen that is silent; it names nobody, and there is nothing to
// command. What is absent from a State shows as unknown: Home Assistant reads the word None as that.
func (t Topics) Discovery(m policy.MachineID, name, version string) (topic string, payload []byte) {
	id := fmt.Sprintf("portillon_%s_%s", t.Site, m)
	part := func(platform, key, name, template string, more map[string]string) map[string]string {
		c := map[string]string{"p": platform, "unique_id": id + "_" + key, "name": name, "value_template": template}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
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
		"cmps": map[string]any{
			"phase": part("sensor", "phase", "Phase", "{{ value_json.phase }}", nil),
			"in_use": part(
				"binary_sensor",
				"in_use",
				"In use",
				"{{ 'ON' if value_json.relay else 'OFF' }}",
				map[string]string{"device_class": "running"},
			),
			"tagged": part(
				"binary_sensor",
				"tagged",
				"Tagged out",
				"{{ 'ON' if value_json.tagged else 'OFF' }}",
				map[string]string{"device_class": "problem"},
			),
			"left": part("sensor", "left", "Time left", "{{ value_json.left_min | default('None') }}",
				map[string]string{"device_class": "duration", "unit_of_measurement": "min", "state_class": "measurement"}),
			"hours": part("sensor", "hours", "Running hours", "{{ value_json.hours | default(0) }}",
				map[string]string{"device_class": "duration", "unit_of_measurement": "h", "state_class": "total_increasing"}),
			"due": part(
				"binary_sensor",
				"due",
				"Maintenance due",
				"{{ 'ON' if value_json.due | default('') else 'OFF' }}",
				map[string]string{"device_class": "problem"},
			),
			"upkeep": part("sensor", "upkeep", "Maintenance", "{{ value_json.due | default('None') }}", nil),
			"records": part(
				"sensor",
				"records",
				"Records",
				"{{ value_json.journal }}",
				map[string]string{"state_class": "total_increasing"},
			),
			"unacked": part(
				"binary_sensor",
				"unacked",
				"Records not acknowledged",
				"{{ 'ON' if value_json.unacked_since | default('') else 'OFF' }}",
				map[string]string{"device_class": "problem"},
			),
			"unacked_since": part(
				"sensor",
				"unacked_since",
				"Not acknowledged since",
				"{{ value_json.unacked_since | default('None') }}",
				map[string]string{"device_class": "timestamp"},
			),
			"unacked_why": part(
				"sensor",
				"unacked_why",
				"Not acknowledged because",
				"{{ value_json.unacked_why | default('None') }}",
				nil,
			),
			"screen": part(
				"binary_sensor",
				"screen",
				"Screen silent",
				"{{ 'ON' if value_json.silent_screen | default('') else 'OFF' }}",
				map[string]string{"device_class": "problem"},
			),
		},
	}
	payload, err := json.Marshal(doc)
	if err != nil {
		return "", nil // maps of strings: it cannot be
	}
	return "homeassistant/device/" + id + "/config", payload
}
