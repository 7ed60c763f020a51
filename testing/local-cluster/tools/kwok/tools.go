//go:build tools

// Package tools pins kwok, which simulates the kubelet of the test cluster.
package tools

import _ "sigs.k8s.io/kwok/cmd/kwok"
