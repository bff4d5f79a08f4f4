"""Whether Gristmill survives interruptions, broken archives and hostile pages."""
