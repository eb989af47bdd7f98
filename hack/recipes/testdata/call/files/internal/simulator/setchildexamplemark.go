package simulator

// setChildExampleMark is SetChildExampleMark: gives some children a mark, unless somebody works on one of them.
func setChildExampleMark(s *Simulator, c *invocation) (map[string]any, *apiError) {
	targets, err := s.targets(c)
	if err != nil {
		return nil, err
	}
	for _, a := range targets {
		if a.Fields["example_mark"] == "busy" {
			return nil, fail(codeExampleBusy)
		}
	}
	for _, a := range targets {
		s.apply(c, a)
	}
	return map[string]any{"result": 1}, nil
}
