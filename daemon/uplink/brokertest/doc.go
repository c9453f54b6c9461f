// Package brokertest is a small MQTT 3.1.1 broker that misbehaves when it is told to: it loses messages, cuts
// connections, never acknowledges, stops reading, and sends bytes that are no MQTT at all.
//
// When it behaves it knows CONNECT, SUBSCRIBE with + and #, PUBLISH with QoS 0 and 1, retained messages, wills and
// PINGREQ. It keeps nothing for a client that is away.
package brokertest
