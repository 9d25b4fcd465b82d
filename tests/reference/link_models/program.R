## Structured thresholds, partial proportional odds, cauchit, random slopes, beta, binomial counts, Firth's penalty.
## Reads the data of ../ordinal_grade_parallel, ../ordinal_grade_within, ../binary_responder_within and
## ../counts_erythema_days; writes reference.json. Run in this folder: Rscript program.R
suppressWarnings(suppressPackageStartupMessages({ library(ordinal); library(lme4); library(glmmTMB); library(brglm2); library(jsonlite); library(numDeriv) }))
sites <- c("trunk", "face", "extremity", "acral"); grades <- paste0("G", 0:4)
cc <- clm.control(gradTol = 1e-10, maxIter = 200)
mat <- function(m) list(rows = rownames(m), values = unname(as.matrix(m)))
block <- function(f, call) list(call = call, logLik = as.numeric(logLik(f)), estimates = as.list(c(f$alpha, f$beta)), vcov = mat(vcov(f)))
p <- read.csv("../ordinal_grade_parallel/data.csv")
p$grade <- factor(p$grade, levels = grades, ordered = TRUE); p$arm <- factor(p$arm, levels = c("control", "laser", "prp", "laser_prp"))
ref <- list(versions = lapply(setNames(nm = c("ordinal", "lme4", "glmmTMB", "brglm2")), function(q) as.character(packageVersion(q))))
ref$symmetric <- block(clm(grade ~ arm + baseline, data = p, threshold = "symmetric", control = cc), "clm(grade ~ arm + baseline, threshold = 'symmetric')")
ref$equidistant <- block(clm(grade ~ arm + baseline, data = p, threshold = "equidistant", control = cc), "clm(grade ~ arm + baseline, threshold = 'equidistant')")
ref$cauchit <- block(clm(grade ~ arm + baseline, data = p, link = "cauchit", control = cc), "clm(grade ~ arm + baseline, link = 'cauchit')")
p3 <- p; levels(p3$grade) <- c("low", "low", "G2", "high", "high")   # three thresholds less: central.1, central.2
ref$symmetric_two <- block(clm(grade ~ arm, data = p3, threshold = "symmetric", control = cc), "clm(three grades ~ arm, threshold = 'symmetric')")
ref$nominal <- block(clm(grade ~ arm, nominal = ~ sex, data = p, control = cc), "clm(grade ~ arm, nominal = ~ sex); effects at thresholds have the opposite sign there")
w <- read.csv("../ordinal_grade_within/data.csv"); w <- w[!is.na(w$grade), ]
w$grade <- factor(w$grade, levels = grades, ordered = TRUE); w$patient <- factor(w$patient); w$week6 <- (w$week - 12) / 12
cm <- clmm.control(method = "nlminb", gradTol = 1e-8, maxIter = 500, innerCtrl = "noWarn", rel.tol = 1e-14, sing.tol = 1e-30, eval.max = 5000, iter.max = 5000)
s <- clmm(grade ~ laser * prp + week6 + (1 + week6 | patient), data = w, control = cm)
ref$slope <- c(block(s, "clmm(grade ~ laser * prp + week6 + (1 + week6 | patient)), Laplace; week6 = (week - 12) / 12"), list(covariance = mat(matrix(as.numeric(VarCorr(s)$patient), 2))))
b <- read.csv("../binary_responder_within/data.csv"); b <- b[!is.na(b$responder), ]
b$patient <- factor(b$patient)
## binomial counts: responders among the lesions of a patient with and without laser
counts <- aggregate(cbind(yes = responder, n = 1) ~ patient + laser, data = b, FUN = sum)
f <- glmer(cbind(yes, n - yes) ~ laser + (1 | patient), data = counts, family = binomial, nAGQ = 9, control = glmerControl(tolPwrss = 1e-12, optimizer = "nlminbwrap", optCtrl = list(rel.tol = 1e-14)))
ref$binomial_counts <- list(call = "glmer(cbind(yes, n - yes) ~ laser + (1 | patient), nAGQ = 9)", data = counts, logLik = as.numeric(logLik(f)), beta = as.list(fixef(f)), sd = unname(getME(f, "theta")))
for (l in c("probit", "cloglog")) { f <- glmmTMB(responder ~ laser * prp + (1 | patient), data = b, family = binomial(link = l)); ref[[paste0("binary_", l)]] <- list(call = paste0("glmmTMB(responder ~ laser * prp + (1 | patient), binomial('", l, "'))"), logLik = as.numeric(logLik(f)), beta = as.list(fixef(f)$cond), vcov_full = mat(vcov(f, full = TRUE))) }
f <- glmmTMB(responder ~ laser * prp + (1 + laser | patient), data = b, family = binomial)
ref$binary_slope <- list(call = "glmmTMB(responder ~ laser * prp + (1 + laser | patient)), Laplace", logLik = as.numeric(logLik(f)), beta = as.list(fixef(f)$cond), covariance = mat(matrix(VarCorr(f)$cond$patient, 2)), vcov = mat(vcov(f)$cond))
b$fraction <- (read.csv("../binary_responder_within/data.csv")$repigmentation[!is.na(read.csv("../binary_responder_within/data.csv")$responder)] * (nrow(b) - 1) / 100 + 0.5) / nrow(b)
f <- glmmTMB(fraction ~ laser * prp + (1 | patient), data = b, family = beta_family())
ref$beta <- list(call = "glmmTMB(fraction ~ laser * prp + (1 | patient), beta_family()); fraction = (repigmentation / 100 (n - 1) + 0.5) / n", logLik = as.numeric(logLik(f)), beta = as.list(fixef(f)$cond), phi = sigma(f), vcov_full = mat(vcov(f, full = TRUE)))
d <- read.csv("../counts_erythema_days/data.csv"); d$arm <- factor(d$arm, levels = c("laser", "prp", "laser_prp")); d$s <- d$treatment_no - 1
f <- glmmTMB(erythema_days ~ arm + s + offset(log(days_observed / 28)) + (1 + s || patient), data = d, family = poisson)
ref$poisson_slope <- list(call = "glmmTMB(erythema_days ~ arm + s + offset(log(days_observed / 28)) + (1 + s || patient), poisson)", logLik = as.numeric(logLik(f)), beta = as.list(fixef(f)$cond), sd = unname(attr(VarCorr(f)$cond$patient, "stddev")), sds = lapply(VarCorr(f)$cond, function(v) attr(v, "stddev")))
## Firth: a table that separates (nobody of arm C responds), with a covariate
set.seed(11); q <- data.frame(arm = factor(rep(c("A", "B", "C"), c(14, 13, 12))), age = round(rnorm(39, 45, 12)))
q$y <- rbinom(39, 1, c(.35, .6, 0)[q$arm])
f <- glm(y ~ arm + age, data = q, family = binomial, method = "brglmFit", type = "AS_mean", epsilon = 1e-12, maxit = 1000)
X <- model.matrix(~ arm + age, q); y <- q$y
pll <- function(bt) { e <- drop(X %*% bt); pr <- plogis(e); sum(y * e - log1p(exp(e))) + .5 * determinant(crossprod(X, X * pr * (1 - pr)))$modulus[1] }
top <- pll(coef(f))
at <- function(j, v) { S <- X; o <- optim(coef(f)[-j], function(z) { bt <- numeric(4); bt[j] <- v; bt[-j] <- z; -pll(bt) }, method = "BFGS", control = list(reltol = 1e-15, maxit = 1000, parscale = sqrt(diag(vcov(f)))[-j])); o <- optim(o$par, function(z) { bt <- numeric(4); bt[j] <- v; bt[-j] <- z; -pll(bt) }, method = "BFGS", control = list(reltol = 1e-16, maxit = 1000, parscale = sqrt(diag(vcov(f)))[-j])); -o$value }
lim <- function(j, sgn) { se <- sqrt(diag(vcov(f)))[j]; g <- function(v) 2 * (top - at(j, v)) - qchisq(.95, 1); k <- 1.5; while (g(coef(f)[j] + sgn * k * se) < 0) k <- k * 1.5; uniroot(g, sort(c(coef(f)[j], coef(f)[j] + sgn * k * se)), tol = 1e-10)$root }
ref$firth <- list(call = "glm(y ~ arm + age, method = 'brglmFit', type = 'AS_mean'); profile limits of the penalised likelihood by optim and uniroot", data = q, beta = as.list(coef(f)), vcov = mat(vcov(f)),
  low = sapply(1:4, lim, -1), high = sapply(1:4, lim, 1), ratio = sapply(1:4, function(j) 2 * (top - at(j, 0))))
writeLines(as.character(toJSON(ref, digits = 15, auto_unbox = TRUE, na = "null", pretty = 1)), "reference.json")
