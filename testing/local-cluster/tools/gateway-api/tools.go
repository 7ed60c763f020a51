//go:build tools

// Package tools pins the Gateway API whose CRDs the test cluster serves.
package tools

import _ "sigs.k8s.io/gateway-api/apis/v1"
