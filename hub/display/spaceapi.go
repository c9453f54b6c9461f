package display

import (
	"encoding/json"
	"time"

	"portillon/policy"
)

// document is a SpaceAPI document, version 15 (https://schema.spaceapi.io/15.json). The document has only fields whose
// values the hub knows. The field state is absent: the hub does not know whether the site is open.
type document struct {
	Compatibility []string          `json:"api_compatibility"`
	Space         string            `json:"space"`
	Logo          string            `json:"logo"`
	URL           string            `json:"url"`
	Location      *location         `json:"location,omitempty"`
	Contact       map[string]string `json:"contact"`
	Links         []link            `json:"links,omitempty"`
	// Machines is an extension: names of extensions begin with "ext_".
	Machines []machine `json:"ext_machines"`
}

// location is where the site is. The schema requires at least one of the fields.
type location struct {
	Address  string   `json:"address,omitempty"`
	Lat      *float64 `json:"lat,omitempty"`
	Lon      *float64 `json:"lon,omitempty"`
	Timezone string   `json:"timezone,omitempty"` // name in the TZ database
}

// link is a link of the document.
type link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// machine is a machine of the document.
type machine struct {
	ID    policy.MachineID  `json:"id"`
	Name  map[string]string `json:"name,omitempty"` // by language
	State State             `json:"state"`
	Since int64             `json:"since,omitempty"` // seconds since 1970, as in other fields of SpaceAPI
}

// spaceAPI returns the document of a site. hub is the hub's address for browsers, and zone the name of the time zone;
// the document leaves out an empty value.
func spaceAPI(v Values, title, hub, zone string, machines []Shown) ([]byte, error) {
	d := document{Compatibility: []string{"15"}, Space: title, Logo: v.Logo, URL: v.Website,
		Contact: map[string]string{}, Machines: []machine{}}
	at := location{Address: v.Address, Timezone: zone}
	if lat, lon, err := ParsePosition(v.Position); err == nil {
		at.Lat, at.Lon = &lat, &lon
	}
	if at != (location{}) {
		d.Location = &at
	}
	if v.Email != "" {
		d.Contact["email"] = v.Email
	}
	if hub != "" {
		d.Links = []link{{Name: "Machines", URL: hub + "/status"}}
	}
	for _, m := range machines {
		out := machine{ID: m.ID, State: m.State, Since: seconds(m.Since)}
		for lang, name := range map[string]string{"fr": m.Name.FR, "en": m.Name.EN} {
			if name == "" {
				continue
			}
			if out.Name == nil {
				out.Name = map[string]string{}
			}
			out.Name[lang] = name
		}
		d.Machines = append(d.Machines, out)
	}
	return json.Marshal(d)
}

// seconds returns a time in seconds since 1970, or 0 for the zero time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
