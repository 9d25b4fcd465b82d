# Inference of variance components on lme4's sleepstudy: profile limits, likelihood-ratio tests, bootstrap, case deletion.
# Run in this folder: Rscript program.R (the bootstrap takes minutes). The data are those of ../sleepstudy.
suppressPackageStartupMessages({library(lme4); library(nlme); library(jsonlite)})
options(digits = 15)
d <- read.csv("../sleepstudy/data.csv"); d$Subject <- factor(d$Subject)
control <- lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-14, maxeval = 5000))
formulas <- list(intercept = Reaction ~ Days + (1 | Subject), uncorrelated = Reaction ~ Days + (1 + Days || Subject),
                 correlated = Reaction ~ Days + (1 + Days | Subject))
ml <- lapply(formulas, lmer, data = d, REML = FALSE, control = control)

# 1. lme4's own profile limits (ML; interpolated from splines), standard deviations and correlation
limits <- confint(ml$correlated, parm = "theta_", method = "profile", oldNames = FALSE, quiet = TRUE)

# 2. The definition, without lme4: dense restricted and full deviances of (sd1, sd2, correlation, sd), each parameter fixed in turn,
#    the others optimised, the limit by root finding.
X <- cbind(1, d$Days)
blocks <- split(seq_len(nrow(d)), d$Subject)
deviance <- function(par, reml) {
  G <- outer(par[1:2], par[1:2]) * matrix(c(1, par[3], par[3], 1), 2)
  logdet <- 0; XX <- matrix(0, 2, 2); Xy <- numeric(2); yy <- 0
  for (b in blocks) {
    U <- tryCatch(chol(X[b, ] %*% G %*% t(X[b, ]) + diag(par[4]^2, length(b))), error = function(e) NULL)
    if (is.null(U)) return(1e10)
    wx <- backsolve(U, X[b, ], transpose = TRUE); wy <- backsolve(U, d$Reaction[b], transpose = TRUE)
    logdet <- logdet + 2 * sum(log(diag(U))); XX <- XX + crossprod(wx); Xy <- Xy + crossprod(wx, wy); yy <- yy + sum(wy^2)
  }
  beta <- solve(XX, Xy)
  n <- nrow(d) - if (reml) 2 else 0
  logdet + yy - sum(Xy * beta) + n * log(2 * pi) + if (reml) as.numeric(determinant(XX)$modulus) else 0
}
minimise <- function(reml, fixed = NULL, value = NULL, start) {
  free <- setdiff(1:4, fixed)
  full <- function(p) { out <- numeric(4); out[free] <- p; out[fixed] <- value; out }
  lower <- c(1e-6, 1e-6, -0.999999, 1e-3)[free]; upper <- c(500, 100, 0.999999, 500)[free]
  p <- start[free]
  for (i in 1:3) p <- nlminb(p, function(p) deviance(full(p), reml), lower = lower, upper = upper,
                             control = list(rel.tol = 1e-14, x.tol = 1e-12, iter.max = 500, eval.max = 2000))$par
  list(par = full(p), value = deviance(full(p), reml))
}
written_out <- function(reml) {
  best <- minimise(reml, start = c(24, 5, 0.1, 25))
  q <- qchisq(0.95, 1)
  rows <- lapply(1:4, function(k) {
    rise <- function(v) minimise(reml, k, v, best$par)$value - best$value - q
    step <- c(10, 2, 0.3, 3)[k]
    low <- best$par[k]; while (rise(low) < 0) low <- low - step
    high <- best$par[k]; while (rise(high) < 0) high <- if (k == 3) (high + 1) / 2 else high + step
    c(uniroot(rise, c(low, low + step), tol = 1e-9)$root,
      uniroot(rise, if (k == 3) c(2 * high - 1, high) else c(high - step, high), tol = 1e-9)$root)
  })
  list(estimate = best$par, deviance = best$value, low = sapply(rows, `[`, 1), high = sapply(rows, `[`, 2))
}

# 3. Likelihood-ratio tests: lme4's anova of ML fits; nlme's of gls fits without random effects beside one variance
table <- anova(ml$intercept, ml$uncorrelated, ml$correlated)
fixed <- anova(lme(Reaction ~ 1, d, ~ 1 | Subject, method = "ML"), lme(Reaction ~ Days, d, ~ 1 | Subject, method = "ML"))
f0 <- gls(Reaction ~ Days, d, method = "ML"); f1 <- lme(Reaction ~ Days, d, ~ 1 | Subject, method = "ML")
r0 <- gls(Reaction ~ Days, d, method = "REML"); r1 <- lme(Reaction ~ Days, d, ~ 1 | Subject, method = "REML")

# 4. Influence of each subject where the data are unbalanced (every seventh row left out): the generalised least squares estimate
#    without the subject, with the covariance held (dense) and fitted again (lmer).
u <- d[-seq(7, nrow(d), 7), ]
fit <- lmer(formulas$correlated, u, control = control)
Xu <- model.matrix(fit); G <- as.matrix(VarCorr(fit)$Subject)
Zt <- as.matrix(getME(fit, "Zt")); V <- t(Zt) %*% kronecker(diag(nlevels(u$Subject)), G) %*% Zt + diag(sigma(fit)^2, nrow(u))
gls_beta <- function(keep) { W <- solve(V[keep, keep]); solve(t(Xu[keep, ]) %*% W %*% Xu[keep, ], t(Xu[keep, ]) %*% W %*% u$Reaction[keep]) }
whole <- gls_beta(rep(TRUE, nrow(u))); information <- t(Xu) %*% solve(V, Xu)
distance <- function(change) drop(t(change) %*% information %*% change) / 2
held <- sapply(levels(u$Subject), function(s) whole - gls_beta(u$Subject != s))
again <- sapply(levels(u$Subject), function(s) fixef(fit) - fixef(lmer(formulas$correlated, u[u$Subject != s, ], control = control)))

# 5. Parametric bootstrap of lme4
set.seed(1)
pars <- function(f) { v <- VarCorr(f)$Subject; c(attr(v, "stddev"), sigma(f)) }
drawn <- bootMer(lmer(formulas$correlated, d, control = control), pars, nsim = 4000)$t
quantiles <- apply(drawn, 2, quantile, c(0.025, 0.25, 0.5, 0.75, 0.975), na.rm = TRUE)

versions <- lapply(c(lme4 = "lme4", nlme = "nlme"), function(p) as.character(packageVersion(p)))
write_json(list(
  R = R.version.string, versions = versions,
  lme4_profile_ml = list(low = unname(limits[, 1]), high = unname(limits[, 2]), order = rownames(limits)),
  profile_ml = written_out(FALSE), profile_reml = written_out(TRUE),
  anova = list(npar = table$npar, aic = table$AIC, loglik = table$logLik, chi2 = table$Chisq, df = table$Df, p = table$`Pr(>Chisq)`),
  anova_fixed = list(chi2 = fixed$L.Ratio[2], df = fixed$df[2] - fixed$df[1], p = fixed$`p-value`[2]),
  one_variance = list(ml = 2 * as.numeric(logLik(f1) - logLik(f0)), reml = 2 * as.numeric(logLik(r1) - logLik(r0)),
                      loglik = as.numeric(c(logLik(f0), logLik(f1), logLik(r0), logLik(r1)))),
  influence = list(subject = levels(u$Subject), change_held = t(held), distance_held = apply(held, 2, distance),
                   change_refit = t(again), distance_refit = apply(again, 2, distance)),
  bootstrap = list(draws = nrow(drawn), sd_intercept = unname(quantiles[, 1]), sd_days = unname(quantiles[, 2]),
                   sd_residual = unname(quantiles[, 3]))
), "reference.json", digits = 12, auto_unbox = TRUE, pretty = TRUE)
