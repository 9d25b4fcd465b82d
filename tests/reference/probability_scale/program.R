## Probabilities by standardisation from mixed models, probability of superiority, GEE with Mancl and DeRouen's sandwich,
## and classical tests of grades. Reads the data of ../binary_responder_within and ../ordinal_grade_within; writes
## reference.json. Run in this folder: Rscript program.R
##
## The mixed models are fitted here by base R alone: each patient's likelihood by integrate(), the Hessian of all
## parameters by numDeriv, probabilities by integrate() over the random intercept for every row at every arm, and errors by
## the delta method with a numerical gradient. lme4 and ordinal only start the search.
suppressWarnings(suppressPackageStartupMessages({
  library(lme4); library(ordinal); library(emmeans); library(geepack); library(coin); library(numDeriv); library(jsonlite)
}))
arms <- c("control", "laser", "prp", "laser_prp"); grades <- paste0("G", 0:4)
ref <- list(versions = lapply(setNames(nm = c("lme4", "ordinal", "emmeans", "geepack", "coin", "numDeriv")),
                              function(q) as.character(packageVersion(q))))
mat <- function(m) { m <- unclass(as.matrix(m)); matrix(as.numeric(m), nrow(m)) }
int <- function(f) integrate(f, -9, 9, rel.tol = 1e-11, abs.tol = 0, subdivisions = 400L)$value
climb <- function(start, ll) {
  o <- optim(start, function(p) tryCatch(-ll(p), error = function(e) 1e6), method = "BFGS", control = list(reltol = 1e-14, maxit = 500))
  for (k in 1:3) {                                    # Newton steps with numerical derivatives finish
    h <- hessian(ll, o$par); o$par <- o$par - solve(h, grad(ll, o$par))
  }
  list(par = o$par, vcov = solve(-hessian(ll, o$par)), loglik = ll(o$par))
}
delta <- function(f, fit) { j <- jacobian(f, fit$par); list(value = f(fit$par), std_error = sqrt(diag(j %*% fit$vcov %*% t(j)))) }

## ---- responders ----
b <- read.csv("../binary_responder_within/data.csv"); b <- b[!is.na(b$responder), ]
b$arm <- factor(b$arm, levels = arms); b$patient <- factor(b$patient); b$age10 <- b$age / 10
X <- model.matrix(~ arm + age10, b); rows <- split(seq_len(nrow(b)), b$patient)
ll <- function(p) {
  eta <- drop(X %*% p[1:5]); s <- exp(p[6])
  sum(sapply(rows, function(i) log(int(function(u) sapply(u, function(v)
    prod(plogis((2 * b$responder[i] - 1) * (eta[i] + s * v)))) * dnorm(u)))))
}
g <- glmer(responder ~ arm + age10 + (1 | patient), b, family = binomial, nAGQ = 25)
fit <- climb(c(fixef(g), log(getME(g, "theta"))), ll)
standardised <- function(p) sapply(arms, function(a) {
  d <- b; d$arm <- factor(a, levels = arms); eta <- drop(model.matrix(~ arm + age10, d) %*% p[1:5])
  int(function(u) sapply(u, function(v) mean(plogis(eta + exp(p[6]) * v))) * dnorm(u))
})
ref$binary <- list(formula = "responder ~ arm + age10 + (1 | patient); age10 = age / 10", loglik = fit$loglik,
  parameters = unname(fit$par), vcov = mat(fit$vcov), arms = arms, probabilities = delta(standardised, fit),
  difference = delta(function(p) { q <- standardised(p); q[["laser_prp"]] - q[["laser"]] }, fit),
  log_ratio = delta(function(p) { q <- standardised(p); log(q[["laser_prp"]] / q[["laser"]]) }, fit),
  log_odds_ratio = delta(function(p) { q <- qlogis(standardised(p)); q[["laser_prp"]] - q[["laser"]] }, fit),
  interaction = delta(function(p) sum(c(1, -1, -1, 1) * standardised(p)), fit))
g9 <- glmer(responder ~ arm + age10 + (1 | patient), b, family = binomial, nAGQ = 9, control = glmerControl(tolPwrss = 1e-12))
e <- emmeans(g9, "arm"); ref$binary$emmeans <- list(call = "emmeans(glmer(..., nAGQ = 9), 'arm'); its errors hold the variance fixed",
  means = as.data.frame(e)$emmean, pairs = as.data.frame(pairs(e))$estimate)

## ---- grades at week 24 ----
w <- read.csv("../ordinal_grade_within/data.csv", na.strings = ""); w <- w[!is.na(w$grade) & w$week == 24, ]
w$grade <- factor(w$grade, levels = grades, ordered = TRUE); w$arm <- factor(w$arm, levels = arms); w$patient <- factor(w$patient)
w$size <- w$baseline / 10
m <- clmm(grade ~ arm + size + (1 | patient), data = w, nAGQ = 15)
Z <- model.matrix(~ arm + size, w)[, -1]; y <- as.integer(w$grade); rows <- split(seq_len(nrow(w)), w$patient)
ll <- function(p) {
  th <- c(-Inf, p[1:4], Inf); eta <- drop(Z %*% p[5:8]); s <- exp(p[9])
  sum(sapply(rows, function(i) log(int(function(u) sapply(u, function(v)
    prod(plogis(th[y[i] + 1] - eta[i] - s * v) - plogis(th[y[i]] - eta[i] - s * v))) * dnorm(u)))))
}
fit <- climb(c(m$alpha, m$beta, log(abs(as.numeric(m$ST[[1]])))), ll)
eta_of <- function(p, a) { d <- w; d$arm <- factor(a, levels = arms); drop(model.matrix(~ arm + size, d)[, -1] %*% p[5:8]) }
of_grades <- function(p, a) {                        # marginal probabilities of the grades in an arm
  eta <- eta_of(p, a); below <- sapply(1:4, function(k) int(function(u) sapply(u, function(v) mean(plogis(p[k] - eta - exp(p[9]) * v))) * dnorm(u)))
  diff(c(0, below, 1))
}
at_least3 <- function(p) sapply(arms, function(a) sum(of_grades(p, a)[4:5]))
beats <- function(x, z) sum(x * (cumsum(c(0, z[-5])) + z / 2))
same <- function(p, a, c) {                          # two lesions of one patient, alike in their covariates
  ea <- eta_of(p, a); ec <- eta_of(p, c)
  int(function(u) sapply(u, function(v) mean(mapply(function(x, z)
    beats(diff(c(0, plogis(p[1:4] - x - exp(p[9]) * v), 1)), diff(c(0, plogis(p[1:4] - z - exp(p[9]) * v), 1))), ea, ec))) * dnorm(u))
}
ref$ordinal <- list(formula = "grade ~ arm + size + (1 | patient) at week 24; size = baseline / 10", loglik = fit$loglik,
  parameters = unname(fit$par), vcov = mat(fit$vcov), arms = arms,
  grades = delta(function(p) as.vector(sapply(arms, function(a) of_grades(p, a))), fit),
  at_least_G3 = delta(at_least3, fit), interaction_G3 = delta(function(p) sum(c(1, -1, -1, 1) * at_least3(p)[c(4, 2, 3, 1)]), fit),
  bliss_log_G3 = delta(function(p) { s <- log(1 - at_least3(p)); unname(s[2] + s[3] - s[4] - s[1]) }, fit),
  different_patients = delta(function(p) beats(of_grades(p, "laser_prp"), of_grades(p, "laser")), fit),
  same_patient = delta(function(p) same(p, "laser_prp", "laser"), fit))
m7 <- clmm(grade ~ arm + size + (1 | patient), data = w, nAGQ = 7, control = clmm.control(gradTol = 1e-8))
e <- emmeans(m7, "arm", mode = "latent"); ref$ordinal$emmeans <- list(call = "emmeans(clmm(..., nAGQ = 7), 'arm', mode = 'latent')",
  means = as.data.frame(e)$emmean, std_error = as.data.frame(e)$SE, pairs = as.data.frame(pairs(e))$estimate, pairs_std_error = as.data.frame(pairs(e))$SE)

## ---- GEE: geepack, and Mancl and DeRouen's sandwich written out ----
md <- function(beta, alpha, X, y, id) {              # logit link, exchangeable working correlation, scale 1
  p <- length(beta); M <- matrix(0, p, p); parts <- list()
  for (i in split(seq_along(y), id)) {
    mu <- plogis(drop(X[i, , drop = FALSE] %*% beta)); A <- diag(sqrt(mu * (1 - mu)), length(i))
    R <- matrix(alpha, length(i), length(i)); diag(R) <- 1; V <- A %*% R %*% A; D <- A %*% A %*% X[i, , drop = FALSE]
    M <- M + t(D) %*% solve(V, D); parts[[length(parts) + 1]] <- list(D = D, V = V, r = y[i] - mu)
  }
  B <- solve(M); S0 <- S <- matrix(0, p, p)
  for (q in parts) { H <- q$D %*% B %*% t(q$D) %*% solve(q$V); s <- t(q$D) %*% solve(q$V, solve(diag(nrow(H)) - H, q$r)); S <- S + s %*% t(s)
    s <- t(q$D) %*% solve(q$V, q$r); S0 <- S0 + s %*% t(s) }
  list(mancl_derouen = mat(B %*% S %*% B), sandwich = mat(B %*% S0 %*% B), model = mat(B))
}
Xg <- model.matrix(~ arm + age, b)
f <- geeglm(responder ~ arm + age, id = patient, data = b, family = binomial, corstr = "independence", scale.fix = TRUE, control = geese.control(epsilon = 1e-12, maxit = 200))
ref$gee_independence <- c(list(call = "geeglm(responder ~ arm + age, corstr = 'independence', scale.fix = TRUE)", beta = unname(coef(f)), geepack = mat(f$geese$vbeta)), md(coef(f), 0, Xg, b$responder, b$patient))
al <- 0.25; z <- rep(al, sum(choose(table(b$patient), 2)))
f <- geese(responder ~ arm + age, id = patient, data = b, family = binomial, corstr = "fixed", zcor = z, scale.fix = TRUE, control = geese.control(epsilon = 1e-12, maxit = 200))
ref$gee_fixed <- c(list(call = "geese(corstr = 'fixed') with a correlation of 0.25", alpha = al, beta = unname(f$beta), geepack = mat(f$vbeta)), md(f$beta, al, Xg, b$responder, b$patient))

## ---- classical tests of paired grades and of strata ----
wide <- reshape(w[, c("patient", "arm", "grade")], idvar = "patient", timevar = "arm", direction = "wide")
wide <- wide[!is.na(wide$grade.laser) & !is.na(wide$grade.laser_prp), ]
tab <- table(wide$grade.laser_prp, wide$grade.laser)
two <- table(wide$grade.laser_prp >= "G3", wide$grade.laser >= "G3")
stuart <- function(t) { d <- (rowSums(t) - colSums(t))[-nrow(t)]; V <- -(t + t(t)); diag(V) <- rowSums(t) + colSums(t) - 2 * diag(t); V <- V[-nrow(t), -nrow(t)]; drop(d %*% solve(V, d)) }
bowker <- mcnemar.test(tab[rowSums(tab) + colSums(tab) > 0, rowSums(tab) + colSums(tab) > 0])
pairs_of <- function(t) { q <- t + t(t); sum(q[upper.tri(q)] > 0) }
q <- (tab - t(tab))^2 / (tab + t(tab))
ref$paired <- list(table = mat(tab), bowker_statistic = sum(q[upper.tri(q)], na.rm = TRUE), bowker_df = pairs_of(tab),
  bowker_p = pchisq(sum(q[upper.tri(q)], na.rm = TRUE), pairs_of(tab), lower.tail = FALSE), stuart_maxwell = stuart(tab),
  stuart_maxwell_p = pchisq(stuart(tab), nrow(tab) - 1, lower.tail = FALSE), two_by_two = mat(two),
  mcnemar = unname(mcnemar.test(two, correct = FALSE)$statistic), mcnemar_corrected = unname(mcnemar.test(two)$statistic),
  mcnemar_exact = binom.test(two[2, 1], two[2, 1] + two[1, 2])$p.value)
p <- read.csv("../ordinal_grade_parallel/data.csv", na.strings = ""); p <- p[p$arm %in% c("laser", "laser_prp") & !is.na(p$grade), ]
p$code <- as.integer(factor(p$grade, levels = grades)); p$arm <- factor(p$arm, levels = c("laser_prp", "laser")); p$site <- factor(p$body_site)
elteren <- independence_test(code ~ arm | site, data = p, teststat = "quadratic", distribution = "asymptotic",
  ytrafo = function(data) trafo(data, numeric_trafo = function(y) y, block = NULL))
r <- ave(p$code, p$site, FUN = rank); n <- ave(r, p$site, FUN = length); p$ridit <- r / (n + 1)
van <- independence_test(ridit ~ arm | site, data = p)
plain <- independence_test(r ~ arm | site, data = transform(p, r = r))
ref$strata <- list(call = "coin::independence_test of ranks within body sites, divided by n + 1 (van Elteren) and undivided",
  z = unname(statistic(van)), p = unname(pvalue(van)), z_undivided = unname(statistic(plain)), n = nrow(p))
writeLines(as.character(toJSON(ref, digits = 15, auto_unbox = TRUE, na = "null", pretty = 1)), "reference.json")
