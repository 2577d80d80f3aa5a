package serve

import "net/http"

// route is a path and what answers it.
type route struct {
	pattern, doc string
	do           http.HandlerFunc
}

// paths is what is answered at which path. Whatever looks at episodes or reads a body waits for a slot
// (Config.Requests), verl-tool's requests and the messages of WebSockets by themselves.
func (s *Server) paths() []route {
	return []route{
		{"POST /get_observation", "verl-tool: actions of trajectories", s.getObservation},
		{"GET /health", "is the server up", s.health},
		{"POST /health", "is the server up", s.health},
		{"GET /metrics", "for Prometheus", s.count.handler().ServeHTTP},
		{"GET /tasks", "ids of the tasks", s.listTasks},
		{"GET /ws", "OpenEnv: a WebSocket, one session", s.openSocket},
		{"POST /reset", "OpenEnv: begins an episode", s.bounded(s.postReset)},
		{"POST /step", "OpenEnv: one action of an episode", s.bounded(s.postStep)},
		{"GET /state", "OpenEnv: the state of an episode", s.bounded(s.getState)},
		{"GET /metadata", "OpenEnv: what is served", s.metadata},
		{"GET /schema", "OpenEnv: schemas of action, observation and state", s.schema},
		{"POST /mcp", "OpenEnv: sessions, tools/list, tools/call", s.bounded(s.postMCP)},
		{"GET /openapi.json", "these paths", s.openAPI},
		{"GET /list_environments", "OpenEnv: the name of what is served", s.listEnvironments},
		{"GET /{env}/splits", "OpenEnv: the split that is served", s.named(s.splits)},
		{"POST /{env}/tasks", "OpenEnv: all tasks", s.bounded(s.named(s.taskRange))},
		{"POST /{env}/task_range", "OpenEnv: tasks from start to before stop", s.bounded(s.named(s.taskRange))},
		{"POST /{env}/num_tasks", "OpenEnv: the number of tasks", s.bounded(s.named(func(w http.ResponseWriter, _ taskRequest) {
			s.send(w, map[string]any{"num_tasks": len(s.cfg.Tasks)})
		}))},
		{"POST /{env}/task", "OpenEnv: one task by index", s.bounded(s.named(s.oneTask))},
	}
}

// routes answers requests by the table.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.paths() {
		mux.HandleFunc(r.pattern, r.do)
	}
	return s.count.measured(mux, s.admitted(mux))
}
