"""Programs in R that fit the primary model: written for its covariance, reading the rows as CSV.

Each writes a CSV of its own: a row a comparison, one with the log-likelihood, one with the package's version.
"""

from __future__ import annotations

from reports.second_opinion.problem import Problem

NLME = {
    "us": ("corSymm(form = ~ place | subject)", True),
    "cs": ("corCompSymm(form = ~ 1 | subject)", False),
    "csh": ("corCompSymm(form = ~ 1 | subject)", True),
    "ar1": ("corAR1(form = ~ place | subject)", False),
    "ar1h": ("corAR1(form = ~ place | subject)", True),
}
"""Structure -> nlme's correlation, and whether each place has a variance of its own."""

MMRM = ("us", "cs", "csh", "ar1", "ar1h", "toep", "toeph", "ad", "adh")

HEAD = """\
rows <- read.csv("rows.csv")
contrasts <- as.matrix(read.csv("contrasts.csv"))
alpha <- {alpha!r}
answer <- function(package, estimate, error, df, loglik) {{
  reach <- qt(1 - alpha / 2, df) * error
  found <- data.frame(what = "comparison", estimate = estimate, std_error = error, df = df,
    conf_low = estimate - reach, conf_high = estimate + reach,
    p_value = 2 * pt(-abs(estimate / error), df), text = "")
  one <- data.frame(what = "loglik", estimate = loglik, std_error = NA, df = NA, conf_low = NA, conf_high = NA,
    p_value = NA, text = "")
  name <- data.frame(what = "version", estimate = NA, std_error = NA, df = NA, conf_low = NA, conf_high = NA,
    p_value = NA, text = as.character(packageVersion(package)))
  write.csv(format(rbind(found, one, name), digits = 15), "answer.csv", row.names = FALSE)
}}
wald <- function(package, beta, covariance, df, loglik) {{
  estimate <- as.vector(contrasts %*% beta)
  error <- sqrt(diag(contrasts %*% covariance %*% t(contrasts)))
  answer(package, estimate, error, df, loglik)
}}
"""


def head(problem: Problem) -> str:
    """Return what each program begins with."""
    return HEAD.format(alpha=problem.alpha)


def design(count: int) -> str:
    """Return the design's columns as the right side of a formula."""
    return " + ".join(f"x{place}" for place in range(count))


def mmrm_program(problem: Problem) -> str | None:
    """Return a program for mmrm; None where it cannot express the model."""
    residual = problem.formula.residual
    if residual is None or problem.formula.random or len(residual.factors) > 1:
        return None
    structure = residual.factors[0].structure
    if structure not in MMRM:
        return None
    subject = "group / subject" if residual.group else "subject"
    return head(problem) + (
        "library(mmrm)\n"
        'for (name in intersect(c("subject", "group", "coordinate"), names(rows)))\n'
        "  rows[[name]] <- factor(rows[[name]])\n"
        f"fit <- mmrm(y ~ 0 + {design(problem.x.shape[1])} + {structure}(coordinate | {subject}), data = rows,\n"
        '  reml = TRUE, method = "Kenward-Roger", vcov = "Kenward-Roger-Linear")\n'
        "found <- lapply(seq_len(nrow(contrasts)), function(i) df_1d(fit, contrasts[i, ]))\n"
        "take <- function(name) sapply(found, function(one) one[[name]])\n"
        'answer("mmrm", take("est"), take("se"), take("df"), as.numeric(logLik(fit)))\n'
    )


def nlme_program(problem: Problem) -> str | None:
    """Return a program for nlme's gls; None where it cannot express the model."""
    residual = problem.formula.residual
    if residual is None or problem.formula.random or residual.group or len(residual.factors) > 1:
        return None
    structure = residual.factors[0].structure
    if structure not in NLME:
        return None
    correlation, unequal = NLME[structure]
    weights = ", weights = varIdent(form = ~ 1 | coordinate)" if unequal else ""
    one_place = problem.data[residual.factors[0].coordinate].nunique() == 1
    covariance = "" if one_place else f", correlation = {correlation}{weights}"
    return head(problem) + (
        "library(nlme)\n"
        "rows$coordinate <- factor(rows$coordinate)\n"
        f'fit <- gls(y ~ 0 + {design(problem.x.shape[1])}, data = rows{covariance}, method = "REML",\n'
        "  control = glsControl(maxIter = 500, msMaxIter = 1000, msTol = 1e-12, tolerance = 1e-9))\n"
        'wald("nlme", coef(fit), vcov(fit), nrow(rows) - length(coef(fit)), as.numeric(logLik(fit)))\n'
    )


def random_intercepts(problem: Problem) -> str | None:
    """Return the random terms as lme4 writes them; None where they are not all intercepts, or there are none."""
    if any(term.design.strip() != "1" for term in problem.formula.random):
        return None
    terms = [f"(1 | g{place})" for place in range(len(problem.formula.random))]
    return " + ".join(terms) or None


def lme4_program(problem: Problem) -> str | None:
    """Return a program for lme4 with lmerTest and pbkrtest; None where it cannot express the model."""
    terms = random_intercepts(problem)
    if terms is None or problem.formula.residual is not None:
        return None
    method = "Kenward-Roger" if problem.df_method.startswith("kenward-roger") else "Satterthwaite"
    return head(problem) + (
        "library(lmerTest)\n"
        f"fit <- lmer(y ~ 0 + {design(problem.x.shape[1])} + {terms}, data = rows, REML = TRUE)\n"
        "found <- lapply(seq_len(nrow(contrasts)), function(i)\n"
        f'  contest1D(fit, contrasts[i, ], ddf = "{method}"))\n'
        "take <- function(name) sapply(found, function(one) one[[name]])\n"
        'answer("lme4", take("Estimate"), take("Std. Error"), take("df"), as.numeric(logLik(fit)))\n'
    )


def ordinal_program(problem: Problem) -> str | None:
    """Return a program for ordinal's clm or clmm; None where it cannot express the model."""
    terms = random_intercepts(problem)
    if problem.link != "logit" or problem.intercept is None or (problem.formula.random and terms is None):
        return None
    names = [f"x{place}" for place in range(problem.x.shape[1]) if place != problem.intercept]
    right = " + ".join(names)
    several = len(problem.formula.random) > 1
    call = (
        f"clm(grade ~ {right}, data = rows, control = clm.control(gradTol = 1e-8))"
        if terms is None
        else f"clmm(grade ~ {right} + {terms}, data = rows"
        + ("" if several else f", nAGQ = {problem.quadrature}")
        + ")"
    )
    listed = ", ".join(f'"{name}"' for name in names)
    return head(problem) + (
        "library(ordinal)\n"
        "rows$grade <- factor(rows$y, ordered = TRUE)\n"
        'for (name in grep("^g[0-9]", names(rows), value = TRUE)) rows[[name]] <- factor(rows[[name]])\n'
        f"fit <- {call}\n"
        f"names <- c({listed})\n"
        "contrasts <- contrasts[, names, drop = FALSE]\n"
        'wald("ordinal", fit$beta[names], vcov(fit)[names, names, drop = FALSE], Inf, as.numeric(logLik(fit)))\n'
    )


def logistic_program(problem: Problem) -> str | None:
    """Return a program for glm or lme4's glmer; None where they cannot express the model."""
    terms = random_intercepts(problem)
    if problem.link != "logit" or (problem.formula.random and terms is None):
        return None
    columns = design(problem.x.shape[1])
    if terms is None:
        fit = (
            f"fit <- glm(y ~ 0 + {columns}, data = rows, family = binomial,\n"
            "  control = glm.control(epsilon = 1e-12))\n"
            'wald("stats", coef(fit), vcov(fit), Inf, as.numeric(logLik(fit)))\n'
        )
    else:
        nodes = "" if len(problem.formula.random) > 1 else f", nAGQ = {problem.quadrature}"
        fit = (
            "library(lme4)\n"
            f"fit <- glmer(y ~ 0 + {columns} + {terms}, data = rows, family = binomial{nodes},\n"
            '  control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5)))\n'
            'wald("lme4", fixef(fit), as.matrix(vcov(fit)), Inf, as.numeric(logLik(fit)))\n'
        )
    return head(problem) + fit
