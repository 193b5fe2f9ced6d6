"""What moves a policy, and looks at it on the way: PPO and RLOO against a proxy, direct alignment without one."""
