// Package brokertest is a small MQTT 3.1.1 broker for tests. On request it misbehaves: it loses messages, closes
// connections, never acknowledges, stops reading, or sends bytes that are not MQTT.
//
// In normal operation, the broker supports CONNECT, SUBSCRIBE with + and #, PUBLISH with QoS 0 and 1, retained
// messages, wills and PINGREQ. The broker stores no messages for a client that is not connected.
package brokertest
