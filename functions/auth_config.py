"""Who signs people in: Clerk, once its domain is set. Without it nobody can sign in, and everything else works."""

import os

from reactor import AuthConfig, Oidc

domain = os.environ.get("CLERK_JWT_ISSUER_DOMAIN")

auth = AuthConfig(providers=[Oidc(domain=domain, application_id="convex")] if domain else [])
