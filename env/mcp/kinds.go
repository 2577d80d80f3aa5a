package mcp

// Kinds are the kinds of failures, which Counts counts.
var Kinds = []string{KindStart, KindDied, KindTimeout, KindMemory, KindProcesses, KindOutput, KindGarbage, KindProtocol, KindConnection,
	KindReset}
