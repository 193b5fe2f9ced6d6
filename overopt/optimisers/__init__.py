"""What moves a policy against a proxy, and looks at it on the way: PPO and RLOO."""
